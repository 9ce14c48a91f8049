// From what a finger drew to what the digits were trained on (http://yann.lecun.com/exdb/mnist): the ink scaled into a
// box of 20 × 20, that box put by its centre of mass into the middle of 28 × 28.

const side = 28;
const boxSide = 20;
/** Fainter than this is no ink. */
const inkMin = 16;

/** Grey, row-major, white ink on black; a sheet without ink stays black. */
export function centreDigit(grey: Uint8Array, width: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(side * side);
  const box = inkBox(grey, width);
  if (box === undefined) return out;
  const scale = boxSide / Math.max(box.right - box.left, box.bottom - box.top);
  const size = {
    width: Math.max(1, Math.round((box.right - box.left) * scale)),
    height: Math.max(1, Math.round((box.bottom - box.top) * scale)),
  };
  const small = shrink(grey, width, box, size.width, size.height);
  const mass = centreOfMass(small, size.width);
  const left = clamp(Math.round(side / 2 - mass.x), side - size.width);
  const top = clamp(Math.round(side / 2 - mass.y), side - size.height);
  for (let y = 0; y < size.height; y++)
    for (let x = 0; x < size.width; x++)
      out[(top + y) * side + left + x] = small[y * size.width + x] ?? 0;
  return out;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

function inkBox(grey: Uint8Array, width: number): Box | undefined {
  let [left, top, right, bottom] = [width, Number.POSITIVE_INFINITY, -1, -1];
  for (let i = 0; i < grey.length; i++) {
    if ((grey[i] ?? 0) < inkMin) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    left = Math.min(left, x);
    right = Math.max(right, x + 1);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y + 1);
  }
  return right < 0 ? undefined : { left, top, right, bottom };
}

/** Each pixel is the mean of those that it stands for. */
function shrink(grey: Uint8Array, stride: number, box: Box, width: number, height: number) {
  const small = new Float64Array(width * height);
  const [stepX, stepY] = [(box.right - box.left) / width, (box.bottom - box.top) / height];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = [Math.floor(box.left + x * stepX), Math.floor(box.top + y * stepY)];
      const toX = Math.max(fromX + 1, Math.floor(box.left + (x + 1) * stepX));
      const toY = Math.max(fromY + 1, Math.floor(box.top + (y + 1) * stepY));
      let sum = 0;
      for (let v = fromY; v < toY; v++)
        for (let u = fromX; u < toX; u++) sum += grey[v * stride + u] ?? 0;
      small[y * width + x] = sum / ((toX - fromX) * (toY - fromY));
    }
  return small;
}

function centreOfMass(values: Float64Array, width: number): { x: number; y: number } {
  let [sum, x, y] = [0, 0, 0];
  for (const [i, value] of values.entries()) {
    sum += value;
    x += value * ((i % width) + 0.5);
    y += value * (Math.floor(i / width) + 0.5);
  }
  return { x: x / sum, y: y / sum };
}

const clamp = (value: number, max: number): number => Math.min(Math.max(value, 0), max);
