/**
 * The contract of every TLS engine, tested with peers of node:tls and with itself. One file per engine calls this.
 *
 * An engine may differ in what {@link EngineTraits} names, and in nothing else.
 */
import { type TestContext, test } from 'node:test';
import { handshakeContract } from './contract-handshake.ts';
import { sessionContract } from './contract-sessions.ts';
import { streamContract } from './contract-streams.ts';
import { verificationContract } from './contract-verification.ts';
import { type Certificates, createCertificates } from './fixtures.ts';
import { Bench, type CreateEngine } from './rig.ts';

export interface EngineTraits {
  /** Certificates are verified within the handshake, so that a refused peer receives an alert with the reason. */
  readonly judgesInHandshake: boolean;
  /** `details.group` is reported. */
  readonly tellsGroup: boolean;
  /** A ticket of an older key is renewed with the first one. */
  readonly renewsTickets: boolean;
}

export interface ContractParts {
  readonly traits: EngineTraits;
  readonly certificates: Certificates;
  readonly create: CreateEngine;
  promise(title: string, body: (bench: Bench, t: TestContext) => Promise<void>): void;
}

export function engineContract(name: string, create: CreateEngine, traits: EngineTraits): void {
  const parts: ContractParts = {
    traits,
    certificates: createCertificates(),
    create,
    promise: (title, body) => void test(`${name}: ${title}`, t => body(new Bench(t, create), t)),
  };
  handshakeContract(parts);
  streamContract(parts);
  verificationContract(parts);
  sessionContract(parts);
}
