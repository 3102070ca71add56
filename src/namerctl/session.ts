/** One run of namerctl: its terminal and flags, and the connection to namerd once it is asked for. */
import { NamerdApi } from './namerd-api.ts';
import { baseUrlOf, type CommonFlags, timeoutMsOf } from './settings.ts';
import { type Paint, paintOn, type Terminal } from './terminal.ts';

export class Session {
  readonly terminal: Terminal;
  readonly flags: CommonFlags;
  readonly paint: Paint;
  #api: NamerdApi | undefined;

  constructor(terminal: Terminal, flags: CommonFlags) {
    this.terminal = terminal;
    this.flags = flags;
    this.paint = paintOn(terminal);
  }

  get isJson(): boolean {
    return this.flags.json === true;
  }

  get timeoutMs(): number {
    return timeoutMsOf(this.flags, this.terminal);
  }

  get api(): NamerdApi {
    this.#api ??= new NamerdApi(baseUrlOf(this.flags, this.terminal), this.timeoutMs);
    return this.#api;
  }

  print(text: string): void {
    this.terminal.print(text);
  }

  async close(): Promise<void> {
    await this.#api?.close();
  }
}
