export { createDirectCollections } from '../adapters/collections-over.ts';
export { askLibrary } from './ask.ts';
export { fuseRanks } from './fuse-ranks.ts';
export { createLibrary, type Library } from './library.ts';
export type { TextEmbedder } from './text-embedder.ts';
