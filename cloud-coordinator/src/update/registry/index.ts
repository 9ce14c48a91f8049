export type { Comparison } from './compare-versions.ts';
export type { ModelState, ModelVersion } from './fold-model.ts';
export { aliasSchema, type ModelEvent, reasonSchema, versionStates } from './model-event.ts';
export { createRegistry, manifestBytesMax, type Registry } from './registry.ts';
