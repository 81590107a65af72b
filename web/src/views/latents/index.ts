/** Autoencoders: which are attached, which were trained here, and training another one. */
import { lazy } from 'react';
import type { View } from '../../shared/view';
import { latentsState } from './latentsState';

export const latents: View = {
  id: 'latents',
  label: 'Autoencoders',
  apart: true,
  keys: [],
  component: lazy(async () => ({ default: (await import('./LatentsView')).LatentsView })),
  state: latentsState,
  python: async (page) => (await import('./python')).latentsPython(page),
};
