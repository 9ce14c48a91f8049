// Files and folders as documents for a library: what each would be called there, and by what its name says that it is.

import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';

export interface LocalDocument {
  readonly path: string;
  /** `FOLDER/path/in/it`, or the file's own name. */
  readonly uri: string;
  /** Undefined: no kind that a library reads. */
  readonly mediaType: string | undefined;
  readonly bytes: number;
}

/** A folder that was named by mistake, such as `/`, ends here. */
const documentsMax = 10_000;

const mediaTypes: Readonly<Record<string, string>> = {
  '.txt': 'text/plain',
  '.md': 'text/markdown',
  '.markdown': 'text/markdown',
  '.html': 'text/html',
  '.htm': 'text/html',
  '.csv': 'text/csv',
  '.tsv': 'text/tab-separated-values',
  '.pdf': 'application/pdf',
  '.docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
};
export const readableEndings: readonly string[] = Object.keys(mediaTypes);

/** In a folder neither links are followed nor hidden files looked at. Fails where one is not there, or they are too many. */
export async function gatherDocuments(
  named: readonly string[],
): Promise<Result<readonly LocalDocument[]>> {
  const documents: LocalDocument[] = [];
  for (const each of named) {
    const path = resolve(each);
    try {
      const found = (await stat(path)).isDirectory() ? await filesIn(path) : [path];
      if (documents.length + found.length > documentsMax) return err(tooMany);
      const uriOf = (file: string): string =>
        [basename(path), ...relative(path, file).split(sep)].filter(Boolean).join('/');
      for (const file of found)
        documents.push({
          path: file,
          uri: uriOf(file),
          mediaType: mediaTypes[extname(file).toLowerCase()],
          bytes: (await stat(file)).size,
        });
    } catch (thrown) {
      return err(failure('not_found', messageOf(thrown)));
    }
  }
  return ok(documents);
}

const tooMany = failure(
  'too_large',
  `more than ${documentsMax} files; name fewer folders at once, or deeper ones`,
);

/** No further than a file beyond what is taken. */
async function filesIn(folder: string): Promise<readonly string[]> {
  const files: string[] = [];
  const folders = [folder];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const entries = await readdir(next, { withFileTypes: true });
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) folders.push(join(next, entry.name));
      else if (entry.isFile()) files.push(join(next, entry.name));
    }
    if (files.length > documentsMax) break;
  }
  return files.sort();
}
