/**
 * Command lines of the official client that both engines must take, or refuse, alike. Words are split as a shell does, with
 * quotes and without anything else. In them `@` stands for the name of the case's container (`@2` for another), IMAGE for
 * busybox, `#` for a folder on the host, `%0` to `%9` for free ports, NOW and BEGUN for the time in seconds, at the step and at
 * the begin of its case.
 */
export type Step =
  | string
  /** Waits until so many of these events of `@` have come. */
  | { readonly until: string; readonly times: number }
  | {
      readonly line: string;
      /** All of its standard input. */
      readonly input?: string;
      /** Runs in a terminal: sends the second text when the first has been seen since the last one. */
      readonly terminal?: readonly (readonly [seen: string, send: string])[];
      /** Goes on beside the next steps, is waited for at the end. It counts as begun when this event of `@` came. */
      readonly begunBy?: string;
      /** What it prints is of the kernel or of this moment: only its status and its errors are compared. */
      readonly ignoreOutput?: true;
    };

export type CliCase = {
  readonly steps: readonly Step[];
  /** What it shows depends on the kernel, or on how the host is set up: compared with a running peer only. */
  readonly hostDependent?: true;
  /** Paths of inspect that differ on purpose; each is in docs/compatibility.md. */
  readonly ignore?: readonly string[];
  /** Events differ on purpose, which is in docs/compatibility.md, or come in no certain order. */
  readonly eventless?: true;
  /** The container ends by --rm, or there is none: no inspect. */
  readonly gone?: true;
};

export const ran = (flags: string, command: string): CliCase => ({
  steps: [`run --name @ --network none ${flags} IMAGE ${command}`],
});
export const refused = (line: string): CliCase => ({ steps: [line], gone: true });
export const live = (item: CliCase): CliCase => ({ ...item, hostDependent: true });
export const sh = (script: string): string => `sh -c '${script}'`;

/** Ours are empty until they are there, dockerd names them when it has tried. */
export const FILES = ['.HostnamePath', '.HostsPath', '.ResolvConfPath', '.LogPath'];
export const LONG = 'run -d --name @ --network none --stop-timeout 0 IMAGE';
export const up = (...steps: readonly Step[]): CliCase => ({
  steps: [`${LONG} sleep 1000`, ...steps, 'rm -f @'],
  gone: true,
});
