/** One run of namerctl: its terminal and flags, and the connection to namerd once it is asked for. */
import { type Connection, connectionOf } from './connection.ts';
import { NamerdApi } from './namerd-api.ts';
import { type CommonFlags, Settings } from './settings.ts';
import { type Paint, paintOn, type Terminal } from './terminal.ts';
import { exposure } from './token.ts';

export class Session {
  readonly terminal: Terminal;
  readonly flags: CommonFlags;
  readonly paint: Paint;
  readonly #keepSecret: (word: string) => void;
  #connection: Connection | undefined;
  #api: NamerdApi | undefined;

  /** @param keepSecret receives each word that the terminal must never show */
  constructor(terminal: Terminal, flags: CommonFlags, keepSecret: (word: string) => void) {
    this.terminal = terminal;
    this.flags = flags;
    this.paint = paintOn(terminal);
    this.#keepSecret = keepSecret;
  }

  get isJson(): boolean {
    return this.flags.json === true;
  }

  /** Of a session that is connected, as the next one. */
  get connection(): Connection {
    return this.#connection!;
  }

  get api(): NamerdApi {
    this.#api ??= new NamerdApi(this.connection);
    return this.#api;
  }

  /** Reads the address of namerd and the credentials; sends nothing. @throws LinkerdTcpError where a setting cannot be used */
  async connect(): Promise<void> {
    const connection = await connectionOf(new Settings(this.flags, this.terminal));
    this.#connection = connection;
    if (connection.token) this.#keepSecret(connection.token.text);
    const warning = exposure(connection.token, connection.baseUrl);
    if (warning !== undefined) this.terminal.complain(`namerctl: warning: ${warning}\n`);
  }

  print(text: string): void {
    this.terminal.print(text);
  }

  async close(): Promise<void> {
    await this.#api?.close();
  }
}
