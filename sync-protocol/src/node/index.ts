export { createSha256 } from './create-sha256.ts';
export { openFileBlobReferences } from './file-blob-references.ts';
export { openFileBlobStore } from './file-blob-store.ts';
