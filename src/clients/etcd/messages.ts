/**
 * The messages of etcd's v3 API (`etcdserverpb`) that the store speaks, as a descriptor for protobuf and as types.
 *
 * Names are in camel case; on the wire only numbers count. 64-bit integers are decimal text, as JavaScript has no numbers for them.
 */

export interface KeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly modRevision: string;
}

interface Answer {
  /** Null from a server that is no etcd. */
  readonly header: { readonly revision: string } | null;
}

export interface RangeRequest {
  readonly key: Uint8Array;
  /** Exclusive; the key alone without it. */
  readonly rangeEnd?: Uint8Array;
  readonly limit?: string;
  /** As it was then; the newest without it. */
  readonly revision?: string;
  readonly keysOnly?: boolean;
}

export interface RangeResponse extends Answer {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
}

export type RequestOp =
  | { readonly requestRange: RangeRequest }
  | { readonly requestPut: { readonly key: Uint8Array; readonly value: Uint8Array } }
  | { readonly requestDeleteRange: { readonly key: Uint8Array } };

export type Compare = { readonly key: Uint8Array; readonly result: 'EQUAL' | 'NOT_EQUAL' } & (
  | { readonly target: 'CREATE'; readonly createRevision: string }
  | { readonly target: 'MOD'; readonly modRevision: string }
);

export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

export interface TxnResponse extends Answer {
  readonly succeeded: boolean;
  readonly responses: readonly { readonly responseRange?: RangeResponse | null }[];
}

export interface WatchCreateRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly startRevision: string;
  /** Large answers come in pieces. */
  readonly fragment: boolean;
}

export interface WatchResponse extends Answer {
  readonly created: boolean;
  readonly canceled: boolean;
  readonly cancelReason: string;
  /** Not 0 when the revision asked for is no longer kept. */
  readonly compactRevision: string;
  readonly events: readonly { readonly type: 'PUT' | 'DELETE'; readonly kv: KeyValue | null }[];
}

export interface AuthenticateResponse extends Answer {
  readonly token: string;
}

type Fields = Readonly<Record<string, readonly [id: number, type: string, rule?: 'repeated']>>;

const message = (fields: Fields, oneof?: readonly string[]) => ({
  fields: Object.fromEntries(Object.entries(fields).map(([name, [id, type, rule]]) => [name, { id, type, rule }])),
  ...(oneof && { oneofs: { choice: { oneof: [...oneof] } } }),
});

/** As `Root.fromJSON` of protobufjs takes it. */
export const descriptor = {
  nested: {
    etcdserverpb: {
      nested: {
        ResponseHeader: message({ revision: [3, 'int64'] }),
        KeyValue: message({ key: [1, 'bytes'], modRevision: [3, 'int64'], value: [5, 'bytes'] }),
        RangeRequest: message({
          key: [1, 'bytes'],
          rangeEnd: [2, 'bytes'],
          limit: [3, 'int64'],
          revision: [4, 'int64'],
          keysOnly: [8, 'bool'],
        }),
        RangeResponse: message({ header: [1, 'ResponseHeader'], kvs: [2, 'KeyValue', 'repeated'], more: [3, 'bool'] }),
        PutRequest: message({ key: [1, 'bytes'], value: [2, 'bytes'] }),
        DeleteRangeRequest: message({ key: [1, 'bytes'] }),
        RequestOp: message(
          {
            requestRange: [1, 'RangeRequest'],
            requestPut: [2, 'PutRequest'],
            requestDeleteRange: [3, 'DeleteRangeRequest'],
          },
          ['requestRange', 'requestPut', 'requestDeleteRange'],
        ),
        ResponseOp: message({ responseRange: [1, 'RangeResponse'] }),
        CompareResult: { values: { EQUAL: 0, GREATER: 1, LESS: 2, NOT_EQUAL: 3 } },
        CompareTarget: { values: { VERSION: 0, CREATE: 1, MOD: 2, VALUE: 3 } },
        Compare: message(
          {
            result: [1, 'CompareResult'],
            target: [2, 'CompareTarget'],
            key: [3, 'bytes'],
            createRevision: [5, 'int64'],
            modRevision: [6, 'int64'],
          },
          ['createRevision', 'modRevision'],
        ),
        TxnRequest: message({
          compare: [1, 'Compare', 'repeated'],
          success: [2, 'RequestOp', 'repeated'],
          failure: [3, 'RequestOp', 'repeated'],
        }),
        TxnResponse: message({
          header: [1, 'ResponseHeader'],
          succeeded: [2, 'bool'],
          responses: [3, 'ResponseOp', 'repeated'],
        }),
        WatchCreateRequest: message({
          key: [1, 'bytes'],
          rangeEnd: [2, 'bytes'],
          startRevision: [3, 'int64'],
          fragment: [8, 'bool'],
        }),
        WatchRequest: message({ createRequest: [1, 'WatchCreateRequest'] }),
        WatchResponse: message({
          header: [1, 'ResponseHeader'],
          created: [3, 'bool'],
          canceled: [4, 'bool'],
          compactRevision: [5, 'int64'],
          cancelReason: [6, 'string'],
          events: [11, 'Event', 'repeated'],
        }),
        EventType: { values: { PUT: 0, DELETE: 1 } },
        Event: message({ type: [1, 'EventType'], kv: [2, 'KeyValue'] }),
        AuthenticateRequest: message({ name: [1, 'string'], password: [2, 'string'] }),
        AuthenticateResponse: message({ header: [1, 'ResponseHeader'], token: [2, 'string'] }),
      },
    },
  },
};
