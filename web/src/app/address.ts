/** The address bar of this page: that of its views. */
import { addressOf } from '../shared/text/url';
import { VIEWS } from '../views';

export const address = addressOf(VIEWS);
export const { DEFAULTS, encodeSpec, decodeSpec } = address;
