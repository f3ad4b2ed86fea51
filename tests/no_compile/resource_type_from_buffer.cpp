// expect: deleted
#include <weft/ctx/resource_type.h>

// A buffer may change or die while hooks still hold the name.
char buffer[] = "JOB";
weft::ResourceType type(buffer);
