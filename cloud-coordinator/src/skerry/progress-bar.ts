// How far a transfer is, on the terminal's last line: drawn over and over, and gone at the end.

export interface ProgressBar {
  show(what: string, done: number, total: number): void;
  clear(): void;
}

const cells = 24;
const clearLine = '\r\u001b[2K';

/** `undefined`: nobody sees it. */
export function createProgressBar(print: ((text: string) => void) | undefined): ProgressBar {
  return {
    show(what, done, total) {
      print?.(
        `${clearLine}${drawBar(done, total)}  ${mebibytes(done)} of ${mebibytes(total)}  ${what}`,
      );
    },
    clear: () => print?.(clearLine),
  };
}

export function drawBar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.floor(share * cells);
  return `${'█'.repeat(full)}${'░'.repeat(cells - full)} ${String(Math.floor(share * 100)).padStart(3)} %`;
}

export const mebibytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(2)} MiB`;
