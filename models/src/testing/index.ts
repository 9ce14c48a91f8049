export { runtimeContract } from './runtime-contract.ts';
export { writeSampleBundle } from './sample-bundle.ts';
