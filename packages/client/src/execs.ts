import type { ExecConfig, ExecInspect } from '@gantry/engine';
import { Hijacked } from './hijack.ts';
import type { Transport } from './transport.ts';

/** Further processes of a running container. */
export class ExecsClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(containerRef: string, config: Partial<ExecConfig>): Promise<{ Id: string }> {
    return this.#transport.json({
      method: 'POST',
      path: `/containers/${encodeURIComponent(containerRef)}/exec`,
      json: config,
    });
  }

  inspect(id: string): Promise<ExecInspect> {
    return this.#transport.json({ path: `/exec/${id}/json` });
  }

  async startDetached(id: string): Promise<void> {
    await this.#transport.done({ method: 'POST', path: `/exec/${id}/start`, json: { Detach: true, Tty: false } });
  }

  /** @param size the terminal's first size, in characters */
  async startAttached(
    id: string,
    options: {
      readonly tty: boolean;
      readonly size?: readonly [rows: number, columns: number];
      readonly signal?: AbortSignal;
    },
  ): Promise<Hijacked> {
    const body = { Detach: false, Tty: options.tty, ...(options.size ? { ConsoleSize: options.size } : {}) };
    const { socket } = await this.#transport.hijack({
      method: 'POST',
      path: `/exec/${id}/start`,
      json: body,
      signal: options.signal,
    });
    return new Hijacked(socket, options.tty);
  }

  async resize(id: string, rows: number, columns: number): Promise<void> {
    await this.#transport.done({ method: 'POST', path: `/exec/${id}/resize`, query: { h: rows, w: columns } });
  }
}
