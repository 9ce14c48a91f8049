export { createDirectCollections } from '../adapters/direct-collections.ts';
export { openCachedLibrary } from '../adapters/open-cached-library.ts';
export { askLibrary } from './ask.ts';
export { formWordsMin, questionForm } from './cache/question-form.ts';
export { createLibrary, type Library } from './library.ts';
export { summaryOf } from './library-reply.ts';
export { rerankByEmbedder } from './rerank.ts';
export type { TextEmbedder } from './text-embedder.ts';
