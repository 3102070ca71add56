/** The fields of all Kubernetes objects, read from unchecked JSON. */

export interface KubernetesObject {
  readonly metadata: {
    readonly name: string;
    readonly resourceVersion: string;
    /** Set while finalizers hold an object that was deleted. */
    readonly deletionTimestamp?: string;
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
}

/** @throws where it is none */
export function objectOf(value: unknown, what: string): KubernetesObject {
  const { metadata } = (value ?? {}) as { metadata?: Partial<KubernetesObject['metadata']> | null };
  if (typeof metadata?.name !== 'string' || typeof metadata.resourceVersion !== 'string')
    throw new Error(`${what} has no name or no resourceVersion`);
  return value as KubernetesObject;
}

/**
 * The order of writes: resourceVersions of one resource are numbers that grow (KEP-5504; API servers have always made them so, from
 * etcd's revision).
 *
 * @throws where it is no number: what comes from such a server cannot be put in order
 */
export function revisionOf(resourceVersion: string): bigint {
  if (!/^\d{1,20}$/.test(resourceVersion))
    throw new Error(
      `its resourceVersion ${JSON.stringify(resourceVersion.slice(0, 40))} is no number, so its changes have no order`,
    );
  return BigInt(resourceVersion);
}
