"""Birmingham's car parks: how full each will be, by the half hour."""
