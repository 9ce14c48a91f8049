// The fakes keep the same contracts as the real adapters.

import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
} from '@skerry/sync-protocol/testing';
import {
  createMemoryAssignmentStore,
  createMemoryRolloutDisk,
  createMemoryRolloutStore,
} from './memory-rollout-stores.ts';
import { assignmentStoreContract, rolloutStoreContract } from './rollout-stores-contract.ts';

rolloutStoreContract('memory', async () => {
  const disk = createMemoryRolloutDisk();
  return { open: async () => createMemoryRolloutStore(disk), async close() {} };
});

assignmentStoreContract('memory', async () => {
  const disk = createMemoryRolloutDisk();
  const ops = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
  return {
    open: async () => ({ assignments: createMemoryAssignmentStore(disk, ops), ops }),
    async close() {},
  };
});
