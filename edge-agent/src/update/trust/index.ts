export { createHttpMetadataSource } from '../../adapters/http-metadata-source.ts';
export { createRunTuf } from '../../adapters/run-tuf.ts';
export { createTrustDirectory } from '../../adapters/trust-directory.ts';
export { keptEvidence } from './kept-evidence.ts';
export { type MetadataSource, openPack } from './metadata-source.ts';
export { releasedMs } from './released.ts';
export { createTrustClient, type Target, type TrustClient } from './trust-client.ts';
export type { TrustFiles } from './trust-disk.ts';
