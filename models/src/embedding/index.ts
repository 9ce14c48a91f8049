export { type CrossEncoder, openCrossEncoder } from './cross-encoder.ts';
export { type Embedder, openEmbedder } from './embedder.ts';
export {
  type CrossEncoderFiles,
  crossEncoderName,
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
