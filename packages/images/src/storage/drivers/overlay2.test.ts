import { storageDriverContract } from '../driver.contract.ts';
import { openOverlay2 } from './overlay2.ts';

storageDriverContract('overlay2', openOverlay2);
