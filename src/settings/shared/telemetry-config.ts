/**
 * Linkerd's `telemetry`: where metrics are served beside `/metrics`. Kinds that send them elsewhere, or trace requests, are
 * accepted for configs of Linkerd 1.x and have no effect.
 */
import { z } from 'zod';
import { experimental } from '../../naming/kinds.ts';

const prometheus = z.strictObject({
  kind: z.literal('io.l5d.prometheus'),
  path: z
    .string('expected a path')
    .regex(/^(?:\/metrics|\/admin\/metrics(?:\/[\w.~-]+)*)$/, 'expected a path below /admin/metrics, or /metrics')
    .default('/admin/metrics/prometheus')
    .meta({ description: 'where the admin API also has the metrics' }),
  prefix: z
    .string('expected the beginning of a metric name')
    .regex(/^(?:[A-Za-z_:][\w:]*)?$/, 'expected the beginning of a metric name: letters, digits, _ and :')
    .default('')
    .meta({ description: 'put before the name of each metric there' }),
  experimental,
});

const withoutEffect = z.looseObject({
  kind: z
    .enum([
      'io.l5d.commonMetrics',
      'io.l5d.influxdb',
      'io.l5d.recentRequests',
      'io.l5d.statsd',
      'io.l5d.tracelog',
      'io.l5d.usage',
      'io.l5d.zipkin',
    ])
    .meta({ description: 'accepted for configs of Linkerd 1.x; has no effect, and the log says so' }),
});

export const telemetryConfig = z
  .array(z.discriminatedUnion('kind', [prometheus, withoutEffect]))
  .superRefine((all, context) => {
    const paths = all.map(each => (each.kind === 'io.l5d.prometheus' ? each.path : undefined));
    for (const [i, path] of paths.entries()) {
      const first = paths.indexOf(path);
      if (path !== undefined && first < i)
        context.addIssue({ code: 'custom', path: [i, 'path'], message: `telemetry[${first}] has that path` });
    }
  });

export type TelemetryConfig = z.output<typeof telemetryConfig>[number];
