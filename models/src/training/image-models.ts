import { digits } from './digits.ts';
import { fashion } from './fashion.ts';
import type { ImageModel } from './image-model.ts';

/** What `npm run train` can make, by name. */
export const imageModels: Readonly<Record<string, ImageModel>> = { digits, fashion };
