// A document as it comes in, named by its uri.

import { sha256 } from '@skerry/shared/node';
import type { SourceDocument } from '../retrieve/passage.ts';

export const sampleDocument = (
  uri: string,
  text: string,
  more: Partial<SourceDocument> = {},
): SourceDocument => ({
  uri,
  title: uri,
  text,
  digest: sha256(new TextEncoder().encode(text)),
  trust: 1,
  ...more,
});
