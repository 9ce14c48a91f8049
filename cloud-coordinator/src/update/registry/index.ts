export { readManifest } from './describe-manifest.ts';
export type { ModelState, ModelVersion } from './fold-model.ts';
export {
  aliasSchema,
  descriptionSchema,
  modelEventSchema,
  reasonSchema,
  versionStates,
} from './model-event.ts';
export { createReadRegistered } from './read-registered.ts';
export { createRegistry, type Registry } from './registry.ts';
