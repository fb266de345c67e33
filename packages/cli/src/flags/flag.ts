/** What a flag's text must look like; `check` answers with the reason when it does not. */
export type Kind = {
  /** The word in help and in Go's own notation: `string`, `list`, `int`. Empty for switches. */
  readonly label: string;
  /** May be given without a value. */
  readonly isSwitch: boolean;
  check(text: string): string | undefined;
};

export type Flag = {
  readonly name: string;
  readonly short?: string;
  readonly kind: Kind;
  /** Replaces the kind's word in help. */
  readonly label?: string;
  readonly help: string;
  /** What applies when the flag is not given, for help: `true`, `"no"`. */
  readonly fallback?: string;
  /** Still accepted, no longer shown. */
  readonly hidden?: boolean;
};

const any = (label: string): Kind => ({ label, isSwitch: false, check: () => undefined });

export const text = any('string');
export const list = any('list');
/** `key=value`, as `--filter` takes it. */
export const filter: Kind = {
  label: 'filter',
  isSwitch: false,
  check: value => (value === '' || value.includes('=') ? undefined : 'bad format of filter (expected name=value)'),
};
export const map = any('map');

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** Go's ParseBool: 1, t, true, 0, f, false in three spellings. */
export function isTrue(value: string): boolean {
  return TRUE.has(value);
}

export const toggle: Kind = {
  label: '',
  isSwitch: true,
  check: value =>
    TRUE.has(value) || FALSE.has(value)
      ? undefined
      : `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
};

const LIMITS = {
  int: [-(2n ** 63n), 2n ** 63n - 1n, 'ParseInt'],
  uint16: [0n, 65535n, 'ParseUint'],
  uint: [0n, 2n ** 64n - 1n, 'ParseUint'],
} as const;

const whole = (label: keyof typeof LIMITS): Kind => ({
  label,
  isSwitch: false,
  check(value) {
    const [least, most, parser] = LIMITS[label];
    if (
      !/^[+-]?(\d+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+)$/.test(value) ||
      (least === 0n && /^[+-]/.test(value))
    ) {
      return `strconv.${parser}: parsing ${JSON.stringify(value)}: invalid syntax`;
    }
    const number = BigInt(value.replace(/^\+/, '').replace(/^-/, '')) * (value.startsWith('-') ? -1n : 1n);
    return number < least || number > most
      ? `strconv.${parser}: parsing ${JSON.stringify(value)}: value out of range`
      : undefined;
  },
});

export const int = whole('int');
export const uint16 = whole('uint16');
export const uint = whole('uint');
