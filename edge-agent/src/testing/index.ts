export { Crash, type CrashPlan, type UpdateLife } from './update-life.ts';
export {
  createUpdateWorld,
  type PublishedBundle,
  sampleDevice,
  type UpdateWorld,
} from './update-world.ts';
