// The fakes keep the same contracts as the real adapters.

import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
} from '@skerry/sync-protocol/testing';
import {
  createMemoryAssignmentStore,
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from './memory-rollout-stores.ts';
import { createMemoryTaskStore, type MemoryTaskDisk } from './memory-task-store.ts';
import { assignmentStoreContract, eventStoreContract } from './rollout-stores-contract.ts';
import { taskStoreContract } from './task-store-contract.ts';

eventStoreContract('memory', async () => {
  const disk = createMemoryRolloutDisk();
  return { open: async () => createMemoryEventStore(disk), async close() {} };
});

assignmentStoreContract('memory', async () => {
  const disk = createMemoryRolloutDisk();
  const ops = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
  return {
    open: async () => ({ assignments: createMemoryAssignmentStore(disk, ops), ops }),
    async close() {},
  };
});

taskStoreContract('memory', async () => {
  const disk: MemoryTaskDisk = new Map();
  const ops = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
  return { open: async () => ({ tasks: createMemoryTaskStore(disk, ops), ops }), async close() {} };
});
