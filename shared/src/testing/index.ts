export { type Mutant, type Mutation, plantMutant } from './mutant.ts';
export { createSeededBytes } from './seeded-bytes.ts';
export { unwrap } from './unwrap.ts';
export { createVirtualClock, type VirtualClock } from './virtual-clock.ts';
