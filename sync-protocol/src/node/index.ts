export { createSha256 } from './create-sha256.ts';
export { openFileBlobReferences } from './file-blob-references.ts';
export { openFileBlobStore } from './file-blob-store.ts';
export { createNodeCryptography } from './node-cryptography.ts';
export {
  createCertificateSigner,
  createCertificateVerifier,
  createEd25519Signer,
  createEd25519Verifier,
} from './round-signers.ts';
