export { runtimeContract } from './runtime-contract.ts';
export { writeSampleBundle } from './sample-bundle.ts';
export { writeSampleCascade } from './sample-cascade.ts';
