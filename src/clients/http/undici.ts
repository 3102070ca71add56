/**
 * The parts of undici that are used, loaded without the rest: fetch, caches, mocks and WebSockets are four of its five modules,
 * and half of what a short command of namerctl would load.
 *
 * These paths are not undici's public API: the version is exact in package.json, and the tests of HttpClient load them.
 */
import { createRequire } from 'node:module';

export type Undici = Pick<typeof import('undici'), 'Client' | 'Pool' | 'buildConnector'>;

const require = createRequire(import.meta.url);

let loaded: Undici | undefined;

/** Loads them at the first call: it takes a while, and most processes have servers they never ask. */
export function loadUndici(): Undici {
  loaded ??= loadParts();
  return loaded;
}

function loadParts(): Undici {
  // undici's own entry does this for all methods of its API.
  const Dispatcher = require('undici/lib/dispatcher/dispatcher.js');
  Dispatcher.prototype.request ??= require('undici/lib/api/api-request.js');
  return {
    Client: require('undici/lib/dispatcher/client.js'),
    Pool: require('undici/lib/dispatcher/pool.js'),
    buildConnector: require('undici/lib/core/connect.js'),
  };
}
