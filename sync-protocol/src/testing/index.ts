export {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  type MemoryCoordinatorDisk,
} from './memory-coordinator-store.ts';
export {
  createMemoryDeviceDisk,
  createMemoryDeviceStore,
  type MemoryDeviceDisk,
  type OutboxBounds,
} from './memory-device-store.ts';
export { createMemoryPipe, type Fate, type MemoryPipe } from './memory-pipe.ts';
export {
  sampleAnswer,
  sampleEscalation,
  sampleExchange,
  sampleReply,
  sampleUpOp,
} from './samples.ts';
