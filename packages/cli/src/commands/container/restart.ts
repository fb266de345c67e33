import { stopping } from './stop.ts';

export const command = stopping('restart');
