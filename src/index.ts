/**
 * The library: the parts of linkerd-tcp for people who embed it, or write a namer, an interpreter or a transformer.
 *
 * docs/embedding.md is its guide. Anything that is not exported here may change at any time.
 */

export { type Outcome, type ProxyOptions, type RunningProxy, startProxy } from './app/linkerd-tcp.ts';
export { type NamerdOptions, type RunningNamerd, startNamerd } from './app/namerd.ts';
// Pickers: the choice of an endpoint, without anything that connects.
export { BranchPicker } from './balancer/branch-picker.ts';
export { EndpointTable } from './balancer/endpoint-table.ts';
export {
  type BalancerKind,
  balancerKinds,
  createPicker,
  type Endpoint as PickerEndpoint,
  noEndpoint,
  type Picker,
} from './balancer/picker.ts';
export type { Lease, SharedClients } from './clients/shared-clients.ts';
// Fields of configurations that the programs resolve, check or hide.
export { dirPath, filePath } from './config/file-fields.ts';
export { secret } from './config/secret-fields.ts';
export type { ListeningServer } from './control/listeners.ts';
// The dtab language.
export { concat, type Dentry, type Dtab, lookup, type Prefix } from './dtab/dtab.ts';
export { evaluate, simplify } from './dtab/evaluate.ts';
export { alt, empty, fail, leaf, mapTree, type NameTree, neg, union, type Weighted } from './dtab/name-tree.ts';
export { DtabSyntaxError, parseDtab, parsePath, parseTree } from './dtab/parse.ts';
export { labelOf, type Path, startsWith, textOf } from './dtab/path.ts';
export { showDtab, showPath, showTree } from './dtab/show.ts';
export { type ErrorCode, errors, LinkerdTcpError } from './errors.ts';
// Naming: live values, and what a kind is made of.
export { type Activity, failed, ok, pending } from './live/activity.ts';
export { createLog, type Log, type ProgramLog, silentLog } from './log.ts';
// namerd, as the program runs it.
export {
  defineInterface,
  type InterfaceKind,
  type NamerdCore,
  type RunningInterface,
} from './namerd/core/interface.ts';
export {
  type Addr,
  type Address,
  boundAddr,
  failedAddr,
  type Meta,
  negAddr,
  pendingAddr,
  weightKey,
} from './naming/addr.ts';
export { addrOfHosts, type HostPort } from './naming/addr-of-hosts.ts';
export type { Delegation } from './naming/delegation.ts';
export {
  type Branch,
  type Destination,
  type DestinationOptions,
  destination,
  type Endpoint,
} from './naming/destination.ts';
export type { Dns } from './naming/dns.ts';
export type { Interpreter } from './naming/interpreter.ts';
export {
  defineInterpreter,
  defineNamer,
  defineTransformer,
  type InterpreterContext,
  type InterpreterKind,
  type NamerContext,
  type NamerKind,
  type Transformer,
  type TransformerContext,
  type TransformerKind,
} from './naming/kinds.ts';
export type { Bound, MountedNamer, Name, Namer, Running } from './naming/name.ts';
export type { Kinds } from './settings/linkerd-tcp/config.ts';
// The proxy, as the program runs it.
export { kinds as builtInKinds } from './settings/linkerd-tcp/kinds.ts';
export type { NamerdKinds } from './settings/namerd/config.ts';
export { namerdKinds as builtInNamerdKinds } from './settings/namerd/kinds.ts';
export type { Backend, Report, Written } from './stores/backend.ts';
// Stores: what a kind is made of, whether its truth is here or elsewhere.
export { countedVersion, EmbeddedStore, type Journal, type JournalHistory } from './stores/embedded-store.ts';
export { defineStore, type StoreContext, type StoreKind } from './stores/kind.ts';
export { RemoteStore, type RemoteStoreOptions } from './stores/remote-store.ts';
export type { KeyState, Snapshot } from './stores/replica-cache.ts';
export type {
  Authorship,
  DtabStore,
  HistoryPage,
  HistoryQuery,
  StoredVersion,
  Version,
  VersionedDtab,
} from './stores/store.ts';
export { version } from './version.ts';
