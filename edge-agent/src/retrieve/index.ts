export { createDirectCollections } from '../adapters/collections-over.ts';
export { openSqliteCollection } from '../adapters/sqlite-collection.ts';
export { askLibrary } from './ask.ts';
export type { CollectionFile, PreparedPassage } from './collection-file.ts';
export { fuseRanks } from './fuse-ranks.ts';
export { createLibrary, type Library, type TextEmbedder } from './library.ts';
export { matchQuery } from './match-query.ts';
