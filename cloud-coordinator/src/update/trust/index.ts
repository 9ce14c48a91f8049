export { runTrustCommand } from '../../adapters/trust-commands.ts';
export { createStagedFiles, createTrustFiles } from '../../adapters/trust-files.ts';
export { signMetadata } from './count-signers.ts';
export { createDirector, type Director } from './director.ts';
export { createRoot, delegate, rotateKeys, undelegate } from './edit-keys.ts';
export { addTarget, removeTarget } from './edit-targets.ts';
export { type Metadata, parseAnyMetadata, type Signed } from './metadata.ts';
export { createTrustRepository, type TrustRepository } from './repository.ts';
export type { StagingArea, TrustStore } from './trust-store.ts';
