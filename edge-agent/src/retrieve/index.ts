export { createDirectCollections } from '../adapters/collections-over.ts';
export { askLibrary } from './ask.ts';
export { createLibrary, type Library } from './library.ts';
export { rerankByEmbedder } from './rerank.ts';
export type { TextEmbedder } from './text-embedder.ts';
