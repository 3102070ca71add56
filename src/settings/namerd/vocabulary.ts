/** Words of Linkerd 1.x's Namerd that this one does not have, and what to write instead. */
import type { ValuePath } from '../../config/document.ts';
import type { Vocabulary } from '../../config/explain.ts';

const network = 'not supported; keep the admin address on a network you trust';
const notNeeded = 'not needed; remove it';

/** By the shape of the place: indices are left out. */
const keys: Readonly<Record<string, string>> = {
  routers: 'this belongs in a configuration of linkerd-tcp',
  dtab: 'dtabs are stored: create one with namerctl, or PUT /api/1/dtabs/<namespace>',
  'admin.security': network,
  'admin.tls': network,
  'admin.workerThreads': notNeeded,
  'admin.socketOptions': notNeeded,
  'admin.graceSecs': 'write shutdownGraceMs, in milliseconds',
  'interfaces.socketOptions': notNeeded,
  'interfaces.cache': 'not needed: what is bound is kept while it is used',
  'interfaces.tls.protocols': 'not supported; TLS 1.2 and 1.3 are spoken',
};

const kinds: Readonly<Record<string, string>> = {
  'io.l5d.thriftNameInterpreter': 'not supported; use io.l5d.httpController, and io.l5d.namerd.http in proxies',
  'io.l5d.mesh': 'not supported; use io.l5d.httpController, and io.l5d.namerd.http in proxies',
  'io.l5d.destination': 'not supported; use io.l5d.httpController',
};

export const namerdVocabulary: Vocabulary = {
  key: (parent, key) => own(keys, [...shape(parent), key].join('.')),
  kind: (_path, kind) => own(kinds, kind),
};

const shape = (path: ValuePath): readonly string[] => path.filter(part => typeof part === 'string');

const own = (words: Readonly<Record<string, string>>, word: string): string | undefined =>
  Object.hasOwn(words, word) ? words[word] : undefined;
