export type { ModelState, ModelVersion } from './fold-model.ts';
export { aliasSchema, reasonSchema, versionStates } from './model-event.ts';
export { createReadRegistered } from './read-registered.ts';
export { createRegistry, manifestBytesMax, type Registry } from './registry.ts';
