/** The two files of the system that say how names are resolved, followed live from the first question on. */
import { getServers } from 'node:dns';
import { isIP } from 'node:net';
import type { Subscription } from 'rxjs';
import { type FileContent, watchFile } from '../../live/watch-file.ts';
import { type Hosts, parseHosts } from './hosts.ts';
import { parseResolvConf, type ResolvConf } from './resolv-conf.ts';

export interface SystemFilesOptions {
  readonly resolvConfFile?: string;
  readonly hostsFile?: string;
  /** Of the DNS servers. */
  readonly port?: number;
}

export interface NameSettings {
  readonly conf: ResolvConf;
  readonly hosts: Hosts;
}

/** Blocklists are kept in hosts files. */
const maxBytes = 20_000_000;

export class SystemFiles {
  readonly #options: Required<SystemFilesOptions>;
  readonly #watches: Subscription[] = [];
  #known: Promise<unknown> | undefined;
  #conf: ResolvConf;
  #hosts: Hosts = new Map();

  constructor({ resolvConfFile = '/etc/resolv.conf', hostsFile = '/etc/hosts', port = 53 }: SystemFilesOptions) {
    this.#options = { resolvConfFile, hostsFile, port };
    this.#conf = parseResolvConf('', port);
  }

  /** As the files are now; a file that cannot be read leaves what was read before. */
  async current(): Promise<NameSettings> {
    const { resolvConfFile, hostsFile, port } = this.#options;
    this.#known ??= Promise.all([
      this.#follow(resolvConfFile, text => {
        this.#conf = parseResolvConf(text ?? nameserversOfNode(), port);
      }),
      this.#follow(hostsFile, text => {
        this.#hosts = parseHosts(text ?? '');
      }),
    ]);
    await this.#known;
    return { conf: this.#conf, hosts: this.#hosts };
  }

  close(): void {
    for (const watch of this.#watches) watch.unsubscribe();
  }

  /** @param read is given undefined where there is no such file. Resolves once the file has been looked at. */
  #follow(file: string, read: (text: string | undefined) => void): Promise<void> {
    return new Promise(known => {
      const learn = (content: FileContent) => {
        if (content.type === 'text') read(content.text);
        else if (content.type === 'missing') read(undefined);
        known();
      };
      this.#watches.push(watchFile(file, { maxBytes }).subscribe(learn));
    });
  }
}

/** Where there is no resolv.conf (Windows), node knows the servers. */
function nameserversOfNode(): string {
  return getServers()
    .filter(server => isIP(server) !== 0)
    .map(server => `nameserver ${server}\n`)
    .join('');
}
