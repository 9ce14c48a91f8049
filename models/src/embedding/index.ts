export { type Embedder, openEmbedder } from './embedder.ts';
export {
  descriptionName,
  type EmbedderDescription,
  type EmbedderFiles,
  embedderDescriptionSchema,
} from './embedder-files.ts';
export { type KnownEmbedder, knownEmbedders } from './known-embedders.ts';
export {
  type ServedEmbedder,
  servedEmbedderModel,
  servedEmbedderSchema,
} from './served-embedder.ts';
