/** Sums the output of `perf report --sort symbol` by the owner of the code. */

export interface Share {
  readonly kind: 'kernel' | 'javascript' | 'native';
  readonly symbol: string;
  /** Per cent of all samples. */
  readonly share: number;
}

export interface Profile {
  /** Largest first. */
  readonly shares: readonly Share[];
}

export function profileOf(report: string): Profile {
  const shares = [...report.matchAll(/^ +([\d.]+)% +\[([k.])\] +(.+?)(?: {2,}.*)?$/gm)].map(
    ([, share, place, symbol]): Share => {
      const isScript = /^(?:JS|RegExp):?[.*~^+'o]/.test(symbol);
      const kind = place === 'k' ? 'kernel' : isScript ? 'javascript' : 'native';
      return { kind, symbol: isScript ? scriptName(symbol) : symbol.slice(0, 60), share: Number(share) };
    },
  );
  return { shares: shares.sort((a, b) => b.share - a.share) };
}

export const shareOf = ({ shares }: Profile, kind: Share['kind']): number =>
  shares.reduce((sum, share) => sum + (share.kind === kind ? share.share : 0), 0);

/** `JS:*'write file:///…/src/io/native/sends.ts:66:7` → `write (sends.ts)`. */
function scriptName(symbol: string): string {
  const [, name = '', file = ''] = /^JS:\W*o?\W*(\S*)\s*(?:.*\/)?([^/:]*)/.exec(symbol) ?? [];
  return name === '' ? symbol.slice(0, 40) : `${name.replaceAll("'", '')}${file === '' ? '' : ` (${file})`}`;
}
