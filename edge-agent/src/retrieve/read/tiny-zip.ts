// Writes small zip archives for tests. Their directory says of sizes what it is told to say.

import { deflateRawSync } from 'node:zlib';

export interface TinyEntry {
  readonly name: string;
  readonly bytes: Uint8Array | string;
  /** What the directory says its size is. */
  readonly said?: number;
}

const localHeader = 0x04034b50;
const directoryHeader = 0x02014b50;
const directoryEnd = 0x06054b50;
const deflate = 8;

export function writeTinyZip(entries: readonly TinyEntry[]): Buffer {
  const local: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes, said } of entries) {
    const packed = deflateRawSync(bytes);
    const sizes = Buffer.alloc(12);
    sizes.writeUInt32LE(packed.length, 4);
    sizes.writeUInt32LE(said ?? Buffer.byteLength(bytes), 8);
    const before = Buffer.alloc(14);
    before.writeUInt32LE(localHeader, 0);
    before.writeUInt16LE(20, 4);
    before.writeUInt16LE(deflate, 8);
    const lengths = Buffer.alloc(4);
    lengths.writeUInt16LE(name.length, 0);
    local.push(before, sizes, lengths, Buffer.from(name), packed);
    const entry = Buffer.alloc(16);
    entry.writeUInt32LE(directoryHeader, 0);
    entry.writeUInt16LE(20, 4);
    entry.writeUInt16LE(20, 6);
    entry.writeUInt16LE(deflate, 10);
    const rest = Buffer.alloc(18);
    rest.writeUInt16LE(name.length, 0);
    rest.writeUInt32LE(offset, 14);
    directory.push(entry, sizes, rest, Buffer.from(name));
    offset += 30 + name.length + packed.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(directoryEnd, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, listed, end]);
}

const wordNames =
  'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"';

/** A Word document of this body. */
export const writeTinyDocx = (body: string, more: readonly TinyEntry[] = []): Buffer =>
  writeTinyZip([
    {
      name: 'word/document.xml',
      bytes: `<w:document ${wordNames}><w:body>${body}</w:body></w:document>`,
    },
    ...more,
  ]);
