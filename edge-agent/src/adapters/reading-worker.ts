// The thread that one document is read in.

import { parentPort, workerData } from 'node:worker_threads';
import { defined, err, failure, messageOf, type Result } from '@skerry/shared/plain';
import { readCsv } from '../retrieve/read/csv-text.ts';
import { readDocx } from '../retrieve/read/docx-text.ts';
import type { Read, Reader, ThreadKind } from '../retrieve/read/reading.ts';

export interface ReadingWork {
  readonly kind: ThreadKind;
  readonly bytes: Uint8Array;
}
export type ReadingReply = Result<Read>;

const readers: Readonly<Record<ThreadKind, () => Promise<Reader>>> = {
  csv: async () => readCsv,
  docx: async () => readDocx,
  // It takes longer to load than a small document to read.
  pdf: async () => (await import('../retrieve/read/pdf-text.ts')).readPdf,
};

const port = defined(parentPort, 'the worker’s port');
const { kind, bytes } = workerData as ReadingWork;

async function readGiven(): Promise<ReadingReply> {
  try {
    return await (await readers[kind]())(bytes);
  } catch (thrown) {
    return err(
      failure('invalid_argument', `it cannot be read: ${messageOf(thrown).slice(0, 300)}`),
    );
  }
}

port.postMessage(await readGiven());
