/**
 * The one table of metrics: name, type, labels and help. Names and labels of linkerd-tcp 0.1.1 are kept; the others are new.
 *
 * A histogram `x` is also exposed as the gauges `x_min` and `x_max` once it has a value.
 */

export type MetricType = 'counter' | 'gauge' | 'histogram';

interface Family {
  readonly type: MetricType;
  readonly help: string;
  /** Sorted. Every series carries exactly these. */
  readonly labels: readonly string[];
}

const resolver = ['namespace', 'rt'] as const;
const router = ['rt'] as const;
const balancer = ['dst', 'rt'] as const;
const endpoint = ['dst', 'endpoint', 'rt'] as const;
const server = ['rt', 'srv_addr'] as const;

const counter = <const L extends readonly string[]>(labels: L, help: string) =>
  ({ type: 'counter', help, labels }) as const;
const gauge = <const L extends readonly string[]>(labels: L, help: string) =>
  ({ type: 'gauge', help, labels }) as const;
const histogram = <const L extends readonly string[]>(labels: L, help: string) =>
  ({ type: 'histogram', help, labels }) as const;

export const families = {
  'l5d:resolver:success_count': counter(resolver, 'Answers of the interpreter that bound a name.'),
  'l5d:resolver:failure_count': counter(resolver, 'Answers of the interpreter that did not bind, and failed requests.'),
  'l5d:resolver:failover_count': counter(
    resolver,
    'Changes from one namerd to another, of several that are configured.',
  ),
  'l5d:resolver:request_latency_ms': histogram(resolver, 'Request to the interpreter, start to parsed answer.'),
  'l5d:resolver:stale_seconds': gauge(
    balancer,
    'Time for which the last good state of a destination has been served without fresh data; 0 when it is fresh.',
  ),

  'l5d:route_create': counter(router, 'Destinations created on first use.'),
  'l5d:route_found': counter(router, 'Connections to an existing destination.'),
  'l5d:route_error': counter(router, 'Connections whose destination could not be configured.'),
  'l5d:route_time_us': histogram(router, 'Time to find or create the destination of a connection.'),

  'l5d:balancer:connection:attempts': counter(balancer, 'Outbound connects started.'),
  'l5d:balancer:connection:connects': counter(balancer, 'Outbound connects (TCP and TLS) that succeeded.'),
  'l5d:balancer:connection:failure': counter(
    ['cause', 'dst', 'rt'],
    'Outbound connects that failed, by cause: timeout, refused or other.',
  ),
  'l5d:balancer:connection:retries': counter(balancer, 'Outbound connects that replaced a failed one.'),
  'l5d:balancer:unavailable': counter(balancer, 'Connections for which no endpoint could be selected.'),
  'l5d:balancer:waiters_rejected': counter(balancer, 'Connections refused because too many were waiting.'),
  'l5d:balancer:endpoint:available': gauge(balancer, 'Endpoints that accept new connections.'),
  'l5d:balancer:endpoint:failed': gauge(balancer, 'Endpoints ejected after consecutive failures.'),
  'l5d:balancer:endpoint:retired': gauge(balancer, 'Endpoints no longer in the destination that still have streams.'),
  'l5d:balancer:connection:pending': gauge(balancer, 'Outbound connections being established.'),
  'l5d:balancer:connection:open': gauge(balancer, 'Outbound connections open.'),
  'l5d:balancer:waiters': gauge(balancer, 'Connections waiting for an outbound connection.'),
  'l5d:balancer:poll_time_us': histogram(balancer, 'Time to apply a change of the destination to its balancer.'),
  'l5d:balancer:connection:latency_us': histogram(balancer, 'Outbound connect attempts, successful or not.'),
  'l5d:balancer:connection:failovers': counter(
    balancer,
    'Connections sent to another branch of a union, because no endpoint of theirs could be used.',
  ),
  'l5d:balancer:connection:duration_ms': histogram(balancer, 'Life of outbound connections, established to closed.'),
  'l5d:balancer:idle:lost': counter(
    balancer,
    'Idle connections (minConnections) that an endpoint closed before a client needed them.',
  ),

  'l5d:balancer:endpoint:connects': counter(endpoint, 'Connects to the endpoint that succeeded.'),
  'l5d:balancer:endpoint:failures': counter(endpoint, 'Connects to the endpoint that failed.'),
  'l5d:balancer:endpoint:early_closes': counter(
    endpoint,
    'Connections that the endpoint closed within a second, before it had sent a byte.',
  ),
  'l5d:balancer:endpoint:ejections': counter(endpoint, 'Times the endpoint was ejected.'),
  'l5d:balancer:endpoint:rx_bytes': counter(endpoint, 'Bytes read from clients for the endpoint.'),
  'l5d:balancer:endpoint:tx_bytes': counter(endpoint, 'Bytes of the endpoint written to clients.'),
  'l5d:balancer:endpoint:state_changed_timestamp_seconds': gauge(
    endpoint,
    'When the endpoint was last ejected or came back, or else when it was added, in seconds since the epoch.',
  ),
  'l5d:balancer:endpoint:last_failure_timestamp_seconds': gauge(
    endpoint,
    'When the endpoint last failed, in seconds since the epoch; 0 if it never has.',
  ),
  'l5d:balancer:endpoint:open': gauge(endpoint, 'Connections open to the endpoint.'),
  'l5d:balancer:endpoint:connecting': gauge(endpoint, 'Connections being established to the endpoint.'),
  'l5d:balancer:endpoint:weight': gauge(endpoint, 'Weight of the endpoint.'),
  'l5d:balancer:endpoint:state': gauge(
    ['dst', 'endpoint', 'rt', 'state'],
    '1 for the state the endpoint is in: available, failed, probing or retired; 0 for the others.',
  ),

  'l5d:srv:accepts': counter(server, 'Connections accepted.'),
  'l5d:srv:closes': counter(server, 'Connections that ended cleanly.'),
  'l5d:srv:failures': counter(server, 'Connections that ended by an error.'),
  'l5d:srv:connect:failure': counter(
    ['cause', 'rt', 'srv_addr'],
    'Connections that never reached an endpoint, by cause: timeout or other.',
  ),
  'l5d:srv:stream:failure': counter(
    ['cause', 'rt', 'srv_addr'],
    'Established streams that failed, by cause: timeout or other.',
  ),
  'l5d:srv:stream:end': counter(['cause', 'rt', 'srv_addr'], 'Ended connections by end cause, as in the access log.'),
  'l5d:srv:stream:rx_bytes': counter(server, 'Bytes read from clients.'),
  'l5d:srv:stream:tx_bytes': counter(server, 'Bytes written to clients.'),
  'l5d:srv:active': gauge(server, 'Connections accepted and not yet ended.'),
  'l5d:srv:waiters': gauge(server, 'Connections accepted and not yet connected to an endpoint.'),
  'l5d:srv:connect:latency_us': histogram(server, 'Time from accept to outbound connection, except timeouts.'),
  'l5d:srv:stream:duration_ms': histogram(server, 'Life of established streams.'),
  'l5d:srv:stream:connection_rx_bytes': histogram(server, 'Bytes read from the client per connection.'),
  'l5d:srv:stream:connection_tx_bytes': histogram(server, 'Bytes written to the client per connection.'),
  'l5d:srv:tls:handshake_us': histogram(server, 'TLS handshakes with clients, from accept, successful or not.'),
  'l5d:srv:tls:handshakes': counter(
    ['resumed', 'rt', 'srv_addr'],
    'TLS handshakes with clients that succeeded, by whether a session was resumed.',
  ),
  'l5d:srv:tls:version': counter(['rt', 'srv_addr', 'version'], 'TLS handshakes with clients by protocol version.'),
  'l5d:srv:tls:cipher': counter(['cipher', 'rt', 'srv_addr'], 'TLS handshakes with clients by cipher.'),
  'l5d:srv:tls:group': counter(['group', 'rt', 'srv_addr'], 'TLS handshakes with clients by key exchange group.'),
  'l5d:srv:tls:failure': counter(
    ['reason', 'rt', 'srv_addr'],
    'Failed TLS handshakes with clients, and connections that failed in TLS later, by reason.',
  ),
  'l5d:namer:watches': gauge(['namer'], 'Names that a namer watches.'),
  'l5d:namer:failing': gauge(['namer'], 'Names of a namer whose source fails; the last good answers are served.'),
  'l5d:tls:cert:expiry_seconds': gauge(
    ['identity', 'rt', 'srv_addr'],
    'Seconds until a certificate in use expires, below 0 when it has: of a server, by the name it is for; of clients: client.',
  ),
  'l5d:tls:control_cert:expiry_seconds': gauge(
    ['user'],
    'Seconds until a certificate expires, below 0 when it has: one shown to namerd or to a backend of the control plane, or served by namerd’s API.',
  ),
  'l5d:client:tls:handshake_us': histogram(balancer, 'TLS handshakes with endpoints, successful or not.'),
  'l5d:client:tls:handshakes': counter(
    ['dst', 'resumed', 'rt'],
    'TLS handshakes with endpoints that succeeded, by whether a session was resumed.',
  ),
  'l5d:client:tls:version': counter(['dst', 'rt', 'version'], 'TLS handshakes with endpoints by protocol version.'),
  'l5d:client:tls:cipher': counter(['cipher', 'dst', 'rt'], 'TLS handshakes with endpoints by cipher.'),
  'l5d:client:tls:group': counter(['dst', 'group', 'rt'], 'TLS handshakes with endpoints by key exchange group.'),
  'l5d:client:tls:failure': counter(
    ['dst', 'reason', 'rt'],
    'Failed TLS handshakes with endpoints, and connections that failed in TLS later, by reason.',
  ),

  'l5d:dns:failing': gauge([], 'Host names in use whose last look-up failed; their last known addresses stay in use.'),
  'l5d:dns:lookups': counter(['result'], 'Look-ups of host names by DNS, by result: found, none or failed.'),

  'l5d:namerd:requests': counter(['endpoint', 'status'], "Answers of namerd's API; a watch counts when it opens."),
  'l5d:namerd:api_denied': counter(
    ['reason', 'token'],
    "Requests that namerd's API refused, by reason: no_token, unknown_token, or the missing permission, read or write; and by the name of the token, `none` if it is unknown.",
  ),
  'l5d:namerd:connections_dropped': counter([], "Connections to namerd's API dropped because there were too many."),
  'l5d:namerd:watches': gauge([], "Watches open at namerd's API."),
  'l5d:namerd:storage_failing': gauge(
    [],
    '1 while the storage of namerd fails and the last known dtabs are served; otherwise 0.',
  ),
  'l5d:namerd:storage_writes_failing': gauge(
    [],
    '1 from a write that the storage of namerd could not store until writes recover; else 0.',
  ),
  'l5d:namerd:unreadable_namespaces': gauge(
    [],
    'Namespaces whose stored value is not a valid dtab or may not be read; their last readable dtab is served.',
  ),
  'l5d:namerd:observations': gauge(
    ['of'],
    'Names (trees) and bound ids (addrs) that namerd watches, in use or kept warm.',
  ),

  'l5d:accesslog:dropped': counter([], 'Access-log lines dropped because the destination was too slow.'),
  'l5d:config:reloads': counter(['result'], 'Reloads of the config file, by result: ok or failed.'),
  'l5d:build_info': gauge(['node', 'version'], 'Always 1; the labels have the versions.'),
  'l5d:driver_info': gauge(['driver'], 'Always 1; the label names the I/O driver in use.'),

  'l5d:process:cpu_seconds_total': counter([], 'Processor time used by the process, all threads, user and system.'),
  'l5d:process:start_time_seconds': gauge([], 'Start of the process, seconds since the epoch.'),
  'l5d:process:uptime_seconds': gauge([], 'Time since the start of the process.'),
  'l5d:process:resident_memory_bytes': gauge([], 'Resident memory of the process, all threads.'),
  'l5d:process:heap_used_bytes': gauge([], 'JavaScript heap in use, control plane only.'),
  'l5d:process:heap_size_bytes': gauge([], 'JavaScript heap reserved, control plane only.'),
  'l5d:process:open_fds': gauge([], 'Open file descriptors.'),
  process_cpu_seconds_total: counter([], 'Total user and system CPU time spent in seconds.'),
  process_start_time_seconds: gauge([], 'Start time of the process in seconds since the epoch.'),
  process_resident_memory_bytes: gauge([], 'Resident memory size in bytes.'),
  process_virtual_memory_bytes: gauge([], 'Virtual memory size in bytes.'),
  process_open_fds: gauge([], 'Number of open file descriptors.'),
  process_max_fds: gauge([], 'Maximum number of open file descriptors.'),
  'l5d:process:event_loop_delay_us': histogram([], 'How late timers of the control plane fire.'),
} as const satisfies Record<string, Family>;

export type MetricName = keyof typeof families;
type NameOf<T extends MetricType> = {
  [N in MetricName]: (typeof families)[N]['type'] extends T ? N : never;
}[MetricName];
export type CounterName = NameOf<'counter'>;
export type GaugeName = NameOf<'gauge'>;
export type HistogramName = NameOf<'histogram'>;
export type LabelOf<N extends MetricName> = (typeof families)[N]['labels'][number];

export const endpointStates = ['available', 'failed', 'probing', 'retired'] as const;
export type EndpointState = (typeof endpointStates)[number];
