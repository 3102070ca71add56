/** Requests of tests to a namerd, over HTTP: one dtab, and namerd's state. */
import assert from 'node:assert/strict';
import type { OwnNamerd } from './namerd-own.ts';
import type { Scope } from './scope.ts';

export const asDtab = { 'content-type': 'application/dtab', accept: 'application/dtab' };

export async function getDtab(url: string): Promise<{ status: number; etag: string | null; body: string }> {
  const response = await fetch(url, { headers: asDtab });
  return { status: response.status, etag: response.headers.get('etag'), body: (await response.text()).trim() };
}

/** @param etag of the version to replace */
export async function putDtab(url: string, body: string, etag?: string): Promise<{ status: number; body: string }> {
  const headers = { ...asDtab, ...(etag !== undefined && { 'if-match': etag }) };
  const response = await fetch(url, { method: 'PUT', headers, body });
  return { status: response.status, body: await response.text() };
}

/** The lines of a watch, as they come; the last says so where it fails. */
export async function watchDtab(t: Scope, url: string): Promise<readonly string[]> {
  const cut = new AbortController();
  t.after(() => cut.abort());
  const response = await fetch(`${url}?watch=true`, { headers: asDtab, signal: cut.signal });
  assert.equal(response.status, 200);
  const lines: string[] = [];
  const read = async () => {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of response.body!) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = parts.pop()!;
      lines.push(...parts.filter(line => line !== ''));
    }
  };
  read().catch(error => cut.signal.aborted || lines.push(`failed: ${error}`));
  return lines;
}

/** Whether the store fails, by the metric that says so. */
export const isFailing = async ({ adminUrl }: OwnNamerd): Promise<boolean> =>
  /^l5d:namerd:storage_failing 1$/m.test(await (await fetch(`${adminUrl}/metrics`)).text());

export const isReady = async ({ adminUrl }: OwnNamerd): Promise<boolean> =>
  (await fetch(`${adminUrl}/ready`)).status === 200;
