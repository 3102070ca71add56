/** The entry of `namerctl`: keeps compiled code between runs, because loading is most of what a short command takes. */
import { useCompileCache } from './compile-cache.ts';

useCompileCache();
await import('./namerctl-process.ts');
