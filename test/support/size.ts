/**
 * The size of the tests whose value grows with repetition: leaks, storms, soak, crash and load tests.
 *
 * `npm test` runs them at a size for every machine; `npm run test:full` sets TEST_SIZE=full and runs the same files at
 * campaign size.
 */
export const isFullSize = process.env['TEST_SIZE'] === 'full';

export function sized<T>({ quick, full }: { readonly quick: T; readonly full: T }): T {
  return isFullSize ? full : quick;
}
