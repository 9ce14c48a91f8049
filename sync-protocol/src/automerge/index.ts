export {
  createWorkerEngine,
  type WorkerEngineLimits,
  workerEngineLimits,
} from './worker-engine.ts';
