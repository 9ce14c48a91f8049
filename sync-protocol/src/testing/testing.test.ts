// The fakes keep the same contracts as the real adapters.

import { systemClock } from '@skerry/shared/node';
import {
  blobReferencesContract,
  blobStoreContract,
  coordinatorStoreContract,
  createMemoryBlobReferences,
  createMemoryBlobStore,
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createMemoryDeviceDisk,
  createMemoryDeviceStore,
  createMemoryDocumentDisk,
  createMemoryDocumentLog,
  createMemoryFollowerStore,
  createMemoryMemberStore,
  createMemoryPipe,
  deviceStoreContract,
  documentLogContract,
  followerStoreContract,
  type MemoryBlobDisk,
  type MemoryDocumentDisk,
  memberStoreContract,
  transportContract,
} from './index.ts';

deviceStoreContract('memory', (bounds) => {
  const disk = createMemoryDeviceDisk('device-1', 'epoch-1');
  return { open: () => createMemoryDeviceStore(disk, bounds), close() {} };
});

coordinatorStoreContract('memory', () => {
  const disk = createMemoryCoordinatorDisk();
  return { open: async () => createMemoryCoordinatorStore(disk), async close() {} };
});

transportContract('memory', async () => {
  const pipe = createMemoryPipe(systemClock);
  const devices = new Set<string>();
  const setLinks = async (up: boolean) => {
    for (const device of devices) pipe.setLink(device, up);
  };
  return {
    coordinator: pipe.listen(),
    async connect(device) {
      devices.add(device);
      return pipe.connect(device);
    },
    cut: () => setLinks(false),
    heal: () => setLinks(true),
    async close() {},
  };
});

blobStoreContract('memory', async (bounds, ports) => {
  const disk: MemoryBlobDisk = new Map();
  return { open: async () => createMemoryBlobStore(disk, bounds, ports), async close() {} };
});

const documentDisk = <Store>(open: (disk: MemoryDocumentDisk) => Store) => {
  const disk = createMemoryDocumentDisk();
  return { open: () => open(disk), close() {} };
};
documentLogContract('memory', () =>
  documentDisk((disk) => ({
    ...createMemoryDocumentLog(disk),
    quarantined: async () => disk.quarantined,
  })),
);
followerStoreContract('memory', () => documentDisk(createMemoryFollowerStore));
memberStoreContract('memory', () => documentDisk(createMemoryMemberStore));

blobReferencesContract('memory', async () => {
  const disk = new Map();
  return async () => createMemoryBlobReferences(disk);
});
